IMAGE = f"us.gcr.io/{project}/worker:{version}"
OTHER = "gcr.io/%s/worker" % project
THIRD = "gcr.io/" + project + "/worker"
FOURTH = "asia.gcr.io/acme-prod/worker@sha256:0"
