import * as k8s from "@pulumi/kubernetes";
const image = `gcr.io/${project}/web:${tag}`;
export const pinned = "gcr.io/acme-prod/web:1";
