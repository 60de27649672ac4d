#!/usr/bin/env bash
# For digiKam's Batch Queue Manager, tool "User Shell Script":
#   LDRPS_HOT_FOLDER="$HOME/Pictures/In" /path/to/ldrps-queue.sh $INPUT $OUTPUT
# Puts the photo into a folder that `ldrps watch` watches, and answers at once: digiKam waits 60
# seconds at most and wants a file, so it gets the photo as it is.
set -euo pipefail

if [[ $# -ne 2 ]]; then
    echo "usage: ldrps-queue.sh INPUT OUTPUT" >&2
    exit 2
fi
input=$1 output=$2
folder=${LDRPS_HOT_FOLDER:?is not set; name the folder that \'ldrps watch\' watches}
if [[ ! -d $folder ]]; then
    echo "ldrps-queue.sh: $folder is not a folder; create it and let 'ldrps watch' watch it" >&2
    exit 1
fi

name=$(basename -- "$input")
part=$(mktemp -- "$folder/.ldrps-queue.XXXXXXXX")
trap 'rm -f -- "$part"' EXIT
cp -- "$input" "$part"
chmod --reference="$input" -- "$part"
touch --reference="$input" -- "$part"

# Never over another photo of the same name. The same photo again changes nothing.
target=$folder/$name
number=2
while ! ln -T -- "$part" "$target" 2>/dev/null; do
    if [[ ! -e $target ]]; then
        # A file system without hard links.
        mv -nT -- "$part" "$target"
        break
    fi
    if cmp -s -- "$input" "$target"; then
        break
    fi
    target=$folder/${name%.*}-$number.${name##*.}
    number=$((number + 1))
done

cp -- "$input" "$output"
