#!/bin/sh
IMAGE="${IMAGE:-gcr.io/acme-prod/web:1}"
gsutil ls gs://artifacts.acme-prod.appspot.com/containers/images/
docker tag x gcr.io/<your-project>/x; docker push gcr.io/PROJECT_ID/x
