#!/bin/sh
# Runs once, on an empty volume: one role and one database per application. Passwords come from the environment
# and reach psql as variables, so that any character is safe in them.
set -eu
psql --no-psqlrc -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  -v callcenter_password="$CALLCENTER_PASSWORD" -v mlflow_password="$MLFLOW_PASSWORD" <<'SQL'
CREATE ROLE callcenter LOGIN PASSWORD :'callcenter_password';
CREATE DATABASE callcenter OWNER callcenter;
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';
CREATE DATABASE mlflow OWNER mlflow;
SQL
