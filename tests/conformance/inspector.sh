#!/bin/sh
# Looks at a running server with the MCP Inspector's command line, in every era it knows.
# Usage: MCP_URL=http://127.0.0.1:8080/mcp MCP_KEY=wamcp_live_… tests/conformance/inspector.sh
set -eu
if ! command -v mcp-inspector >/dev/null 2>&1; then
  echo 'skipped: mcp-inspector is not on the PATH (a separate install of 110 MB)'
  exit 0
fi
for era in legacy auto modern; do
  mcp-inspector --cli "$MCP_URL" --transport http --protocol-era "$era" --strict \
    --header "Authorization: Bearer $MCP_KEY" --method tools/call --tool-name ping >/dev/null
  echo "ok: ping, $era"
done
