# Prints which logs hold one of the patterns; never the pattern.
# $1: file with one pattern a line, on a tmpfs.
set -eu
export LC_ALL=C
find /var/log /var/lib/docker/containers /var/lib/whatsapp-mcp/audit -type f ! -name '*.journal' \
    -exec grep -laF -f "$1" -- {} + || true
if journalctl --no-pager --all --output=export | grep -qaF -f "$1"; then echo journal; fi
