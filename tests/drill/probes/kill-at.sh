# Runs a program in a scope of its own and kills everything in it some time after a line on its standard error.
# Done on the host itself: from outside the way to the kill would take longer than some steps do.
# $1 unit, $2 extended regular expression, $3 seconds; then the program.
set -u
unit=$1 pattern=$2 after=$3
shift 3
exec 3>&1
systemd-run --quiet --scope --unit="$unit" "$@" 2>&1 >&3 | {
    armed=
    while IFS= read -r line; do
        printf '%s\n' "$line" >&2
        [ -z "$armed" ] && printf '%s\n' "$line" | grep -qE "$pattern" || continue
        armed=yes
        {
            sleep "$after"
            systemctl kill --signal=KILL "$unit.scope" && echo 'drill: killed' >&2
        } &
    done
    wait
}
