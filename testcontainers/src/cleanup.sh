#!/bin/sh
#
# Removes what a real world holds: its containers, its private clusters, its packet filter rules. All of it is
# found by the world's id, PID-STARTED-NUMBER (the owner's process id, the second after boot in which it
# started, and a count), so nobody has to have written anything down.
#
#   cleanup.sh guard ROOT ID   wait for the end of stdin, which is the end of the owner, then remove; a line
#                              "done" instead means that the owner has removed everything itself
#   cleanup.sh now ROOT ID     remove
#   cleanup.sh sweep ROOT      remove what belongs to owners that are gone
#
# ROOT is the directory in which private clusters are made. Only owners of this process namespace are judged:
# the pids of others mean nothing here.
set -u

scope=$(readlink /proc/self/ns/pid 2>/dev/null || echo none)

packet_filter() {
    command -v iptables >/dev/null || return 0
    if [ "$(id -u)" = 0 ]; then
        iptables -w 5 "$@"
    else
        sudo -n iptables -w 5 "$@"
    fi 2>/dev/null
}

arguments_of() {
    if [ -r "/proc/$1/cmdline" ]; then tr '\0' ' ' <"/proc/$1/cmdline"; else ps -o args= -p "$1"; fi 2>/dev/null
}

# Ends the postmaster of cluster $1, if the pid in its pid file is still that postmaster.
stop_cluster() {
    pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null) || return 0
    case $(arguments_of "$pid") in
        *"$1"*) ;;
        *) return 0 ;;
    esac
    kill -QUIT "$pid" 2>/dev/null
    tries=0
    while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 60 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null
}

remove() {
    chain=leftover-$2
    if packet_filter -F "$chain"; then
        packet_filter -D INPUT -i lo -j "$chain"
        packet_filter -X "$chain"
    fi
    if command -v docker >/dev/null; then
        docker rm -f -v "leftover-$2-source" "leftover-$2-target" >/dev/null 2>&1
    fi
    if [ -d "$1/leftover-$2" ]; then
        stop_cluster "$1/leftover-$2/source"
        stop_cluster "$1/leftover-$2/target"
        rm -rf "$1/leftover-$2"
    fi
}

# Whether the process that the world id $1 names is still there, and not another one with its pid.
owner_lives() {
    pid=${1%%-*}
    if [ -r "/proc/$pid/stat" ]; then
        started=${1#*-}
        ticks=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 20)
        [ "$((${ticks:-0} / 100))" = "${started%%-*}" ]
    else
        kill -0 "$pid" 2>/dev/null
    fi
}

ids() {
    for directory in "$1"/leftover-*; do
        [ "$(cat "$directory/scope" 2>/dev/null)" = "$scope" ] && echo "${directory##*/}"
    done
    packet_filter -S | sed -n 's/^-N //p'
    if command -v docker >/dev/null; then
        docker ps -a --filter "label=leftover.scope=$scope" --format '{{.Names}}' 2>/dev/null
    fi
}

case $1 in
    guard)
        trap '' HUP INT TERM
        read -r word
        [ "$word" = "done" ] || remove "$2" "$3"
        ;;
    now) remove "$2" "$3" ;;
    sweep)
        ids "$2" | sed -nE 's/^leftover-([0-9]+-[0-9]+-[0-9]+)(-source|-target)?$/\1/p' | sort -u |
            while read -r id; do
                owner_lives "$id" || remove "$2" "$id" </dev/null
            done
        ;;
esac
exit 0
