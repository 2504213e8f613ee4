#!/bin/sh
# Makes a virtual environment, whole or not at all.
#
#   sh deploy/environment.sh FOLDER VERSIONS PYTHONS VARIABLE PIP-ARGUMENTS...   makes FOLDER, or what has changed in it
#   sh deploy/environment.sh --is-whole FOLDER   ends with 0 if nothing has to be done
#
# The environment is made with the first of PYTHONS that has one of VERSIONS and can make environments. If none does,
# the answer says what to install, or to name a Python in make's VARIABLE.
# FOLDER/.complete is written last, with the environment's path and Python version. Without it, or after a move or the
# end of that Python, the environment is made anew.
set -eu

identity() {
    "$1/bin/python" -c 'import os, sys; print(os.path.realpath(sys.prefix), *sys.version_info[:2])' 2>/dev/null
}

is_whole() {
    [ -s "$1/.complete" ] && [ "$(identity "$1")" = "$(cat "$1/.complete")" ]
}

# Prints the Python to use: choose VERSIONS PYTHONS VARIABLE.
choose() {
    without_venv=
    for python in $2; do
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        case " $1 " in *" $version "*) ;; *) continue ;; esac
        if "$python" -c 'import venv, ensurepip' 2>/dev/null; then
            echo "$python"
            return
        fi
        without_venv=$version
    done
    if [ -n "$without_venv" ]; then
        echo "Python $without_venv is there, but can't make environments." \
            "On Debian and Ubuntu, as root: apt install python$without_venv-venv" >&2
    else
        echo "Python is needed in one of the versions $1; of [$2] none is." \
            "Install one, or name it: make $3=/path/to/python" >&2
    fi
    return 1
}

if [ "$1" = --is-whole ]; then
    is_whole "$2"
    exit
fi
folder=$1 versions=$2 pythons=$3 variable=$4
shift 4
if is_whole "$folder"; then
    rm "$folder/.complete"
else
    python=$(choose "$versions" "$pythons" "$variable")
    rm -rf "$folder"
    "$python" -m venv "$folder"
fi
"$folder/bin/python" -m pip install -q "$@"
identity "$folder" > "$folder/.complete"
