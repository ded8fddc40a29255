#!/bin/sh
# Buckets, users and policies; running it again changes nothing. Secrets come from the environment.
set -eu
mc alias set lake http://minio:9000 "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD" >/dev/null
for bucket in lake landing task-logs; do mc mb --ignore-existing "lake/$bucket"; done

user() { # user NAME ACCESS_KEY SECRET_KEY
  mc admin policy create lake "$1" "/setup/$1-policy.json"
  mc admin user add lake "$2" "$3" >/dev/null
  mc admin policy attach lake "$1" --user "$2" >/dev/null
}
user sluice "$SLUICE_S3_ACCESS_KEY" "$SLUICE_S3_SECRET_KEY"
user trino "$TRINO_S3_ACCESS_KEY" "$TRINO_S3_SECRET_KEY"
user spark "$SPARK_S3_ACCESS_KEY" "$SPARK_S3_SECRET_KEY"
echo 'Buckets, users and policies are there.'
