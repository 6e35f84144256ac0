#!/bin/sh
# Writes the S3 identity from the environment into a file that only this user reads, then becomes the server.
# Runs in the SeaweedFS image as its user 1000; arguments are passed on to `weed server`.
# The file's format: https://github.com/seaweedfs/seaweedfs/wiki/Amazon-S3-API
set -eu

data=${SEAWEEDFS_DATA:-/data}
config=${SEAWEEDFS_CONFIG_DIR:-/run/seaweedfs}/s3.json

fail() {
    printf 'seaweedfs: %s\n' "$1" >&2
    exit 1
}

json() { # a JSON string of $2; $1 names it in the error
    case $2 in
        '') fail "$1 is empty: set it in .env (copy .env.example)" ;;
        *[[:cntrl:]]*) fail "$1 holds a control character: set another one in .env" ;;
    esac
    printf '"%s"' "$(printf '%s' "$2" | sed 's/[\\"]/\\&/g')"
}

[ -w "$data" ] || fail "$data is not writable by user $(id -u): run \
docker compose run --rm --no-deps --user 0:0 --cap-add CHOWN --entrypoint chown seaweedfs -R 1000:1000 $data"

access_key=$(json S3_ACCESS_KEY_ID "${S3_ACCESS_KEY_ID:-}")
secret_key=$(json S3_SECRET_ACCESS_KEY "${S3_SECRET_ACCESS_KEY:-}")

umask 077
rm -f "$config"
cat > "$config" <<EOF
{
  "identities": [
    {
      "name": "pipeline",
      "credentials": [{"accessKey": $access_key, "secretKey": $secret_key}],
      "actions": ["Admin", "Read", "Write", "List", "Tagging"]
    }
  ]
}
EOF

unset S3_ACCESS_KEY_ID S3_SECRET_ACCESS_KEY access_key secret_key
exec weed -logtostderr=true server -dir="$data" -s3 -s3.config="$config" "$@"
