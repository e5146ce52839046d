#!/bin/sh
# Put in front of runc where the drill itself lacks CAP_SYS_RESOURCE: there no container can be given more open files
# than the outer machine allows, so what the production settings ask for is cut down to that.
previous=
for argument in "$@"; do
    file=
    case $previous in
        --bundle) file=$argument/config.json ;;
        --process) file=$argument ;;
    esac
    if [ -n "$file" ]; then
        limit=$(ulimit -Hn)
        sed -i -E "s/(\"RLIMIT_NOFILE\",\"hard\":)[0-9]+(,\"soft\":)[0-9]+/\1$limit\2$limit/" "$file"
    fi
    previous=$argument
done
exec /usr/sbin/runc "$@"
