#!/bin/bash
# Runs once, on an empty volume: a database and a role for each part, and none may enter another's.
set -euo pipefail
run() { psql -X -q -v ON_ERROR_STOP=1 --username postgres "$@"; }

database() { # database NAME PASSWORD
  # the name is ours; the password goes in as a variable, never through the text of the statement
  run -v role="$1" -v password="$2" <<'SQL'
create role :"role" login password :'password';
create database :"role" owner :"role";
revoke connect on database :"role" from public;
SQL
}

database sluice "$SLUICE_DB_PASSWORD"
database iceberg "$ICEBERG_DB_PASSWORD"
database shop "$SHOP_DB_PASSWORD"
# Trino does not create the tables of the Iceberg catalog.
PGPASSWORD="$ICEBERG_DB_PASSWORD" psql -X -q -v ON_ERROR_STOP=1 --username iceberg --dbname iceberg \
  --file "$(dirname "${BASH_SOURCE[0]}")/iceberg-catalog.txt"
