variable "project" {
  type    = string
  default = "acme-prod"
}

locals { host = "us.gcr.io" }

resource "google_cloud_run_v2_service" "web" {
  template {
    containers { image = "gcr.io/${var.project}/web:3.1" } # was gcr.io/acme-prod/web:3.0
    containers { image = "${local.host}/${var.project}/side:1" }
    containers { image = "gcr.io/${data.google_project.this.project_id}/other" }
  }
}

resource "google_storage_bucket_iam_member" "pull" {
  bucket = "us.artifacts.acme-prod.appspot.com"
  role   = "roles/storage.objectViewer"
}

data "google_dns_managed_zone" "gcr" { name = "gcr.io." }
