#!/bin/sh
# Uploads a file: examples/curl/upload.sh SOURCE FILE. Needs curl. ASSET_GATEWAY_URL has another address.
set -eu
url=${ASSET_GATEWAY_URL:-http://127.0.0.1:8000}/graphql
source=$1 file=$2
curl -sS "$url" -H 'graphql-require-preflight: 1' \
  -F operations="{\"query\": \"mutation(\$source: String!, \$file: Upload!) { uploadAsset(input: {source: \$source, file: \$file}) { asset { id name kind } upload { upstreamId status } steps { name status } errors { code message } } }\", \"variables\": {\"source\": \"$source\", \"file\": null}}" \
  -F map='{"0": ["variables.file"]}' -F "0=@$file"
echo
