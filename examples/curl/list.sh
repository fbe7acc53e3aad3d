#!/bin/sh
# Prints the names of all pictures, page by page. Needs curl and jq. ASSET_GATEWAY_URL has another address.
set -eu
url=${ASSET_GATEWAY_URL:-http://127.0.0.1:8000}/graphql
query='query($after: String) { assets(first: 100, after: $after, filter: {kinds: [IMAGE]}) {
  nodes { name source { name } } pageInfo { hasNextPage endCursor } sourceResults { source { name } status error { code } } } }'
after=null
while :; do
  answer=$(jq -n --arg query "$query" --argjson after "$after" '{query: $query, variables: {after: $after}}' |
    curl -sS "$url" -H 'content-type: application/json' -d @-)
  echo "$answer" | jq -r '.data.assets.nodes[] | "\(.source.name)\t\(.name)"'
  # What failed goes to standard error.
  echo "$answer" | jq -r '(.errors // [])[] | .message' >&2
  echo "$answer" | jq -r '.data.assets.sourceResults[] | select(.status == "FAILED") | "\(.source.name): \(.error.code)"' >&2
  [ "$(echo "$answer" | jq .data.assets.pageInfo.hasNextPage)" = true ] || break
  after=$(echo "$answer" | jq .data.assets.pageInfo.endCursor)
done
