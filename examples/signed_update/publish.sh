#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Signs a program, where the private key is: publish.sh KEY.pem VERSION APP.py FOLDER
# FOLDER is then what a web server shows. The key is made once, and never leaves its place:
#   openssl genrsa -out key.pem 3072
set -eu

key=$1 version=$2 app=$3 folder=$4
mkdir -p "$folder"
cp "$app" "$folder/app.py"
size=$(wc -c <"$app" | tr -d ' ')
digest=$(openssl dgst -sha256 -r "$app" | cut -d' ' -f1)
printf '{"version": %d, "size": %d, "sha256": "%s"}\n' "$version" "$size" "$digest" >"$folder/manifest.json"
openssl dgst -sha256 -sign "$key" -out "$folder/manifest.sig" "$folder/manifest.json"
openssl rsa -in "$key" -noout -modulus >"$folder/update.pub"
echo "version $version is in $folder; devices have $folder/update.pub"
