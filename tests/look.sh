# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# xenferry-look on files of this host: what it reads, and the file beside an image. No root is needed.
look=$PWD/agent/look/xenferry-look
work=$PWD/tests/look.d
nonce=0123456789abcdef0123456789abcdef
salt=00112233445566778899aabbccddeeff
n=0
chmod -R u+w "$work" 2>/dev/null
rm -rf "$work"
mkdir -p "$work"
cd "$work" || exit 1

# claim TEXT: says how the command before it ended
claim() {
    ended=$?
    n=$((n + 1))
    if [ "$ended" -eq 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
    fi
}

seen() { "$look" "$@" 2>&1; }
has() { printf '%s\n' "$1" | grep -q -x -e "$2"; }

echo 1..25
[ "$("$look" --version)" != "" ] && "$look" --help | grep -q '^usage: xenferry-look'
claim "it says its version and how it is called"
"$look" --no-such-option disk 2>/dev/null
[ $? -eq 2 ]
claim "what it does not understand it refuses"
"$look" --salt 12 disk 2>/dev/null
[ $? -eq 2 ]
claim "a salt is 16 bytes"
answer=$("$look" 3<&- 2>/dev/null)
[ $? -eq 2 ] && [ -z "$answer" ]
claim "without an agent it says nothing"
answer=$(seen absent)
[ $? -eq 1 ] && has "$answer" "kind absent" && ! has "$answer" "error .*"
claim "a disk that is not there is absent, and that is no error"
answer=$(seen "$work")
has "$answer" "trait unknown"
claim "a folder is no disk"

seq 1 20000 >disk
truncate -s 1M disk
first=$(seen --salt $salt disk)
has "$first" "kind file" && has "$first" "size 1048576" && has "$first" "sample 0 [0-9a-f]*"
claim "a file's size and first block are read"
has "$first" "ident 0 inode $(stat -c %i disk)"
claim "a file is known by its number"
has "$first" "sample .* blank"
claim "blocks of one value are blank"
[ "$first" = "$(seen --salt $salt disk)" ]
claim "two looks at what holds still agree"
other=$(seen --salt 0f112233445566778899aabbccddeeff disk)
[ "$(printf '%s\n' "$first" | grep '^sample 0 ')" != "$(printf '%s\n' "$other" | grep '^sample 0 ')" ]
claim "another salt makes another digest of the same block"
cp disk copy
printf x | dd of=copy conv=notrunc bs=1 seek=100 status=none
[ "$(printf '%s\n' "$first" | grep '^sample 0 ')" != \
    "$(seen --salt $salt copy | grep '^sample 0 ')" ]
claim "one other byte makes another digest"
truncate -s 64K small
answer=$(seen --salt $salt --size 1048576 small)
has "$answer" "size 65536" && has "$answer" "sample 0 .*" && ! has "$answer" "error .*" &&
    ! printf '%s\n' "$answer" | awk '$1 == "sample" && $2 + 4096 > 65536 { found = 1 } END { exit !found }'
claim "of the other host's blocks those are read that this disk has"
truncate -s 100 tiny
answer=$(seen tiny)
has "$answer" "size 100" && ! has "$answer" "sample .*" && ! has "$answer" "error .*"
claim "a file smaller than a block has nothing to compare"
printf 'QFI\373\0\0\0\003\0\0\0\0\0\0\0\160\0\0\0\010' >image
truncate -s 64K image
has "$(seen image)" "trait backed" && ! has "$first" "trait backed"
claim "an image on another file is told"
if [ "$(id -u)" -eq 0 ]; then
    n=$((n + 1))
    echo "ok $n - a file that may not be written is read-only # SKIP root may"
else
    chmod 444 copy
    has "$(seen --write copy)" "trait read-only"
    claim "a file that may not be written is read-only"
fi

answer=$(seen --make $nonce disk)
has "$answer" "trait nonce" && [ "$(cat .xenferry-check-$nonce)" = $nonce ] &&
    [ "$(stat -c %a .xenferry-check-$nonce)" = 600 ]
claim "a file is made beside the image, for its owner only"
has "$(seen --seek $nonce disk)" "trait nonce"
claim "it is found from there"
! has "$(seen --seek 1$nonce disk)" "trait nonce" &&
    ! has "$(seen --seek f123456789abcdef0123456789abcdef disk)" "trait nonce"
claim "another one is not"
printf '%s' f123456789abcdef0123456789abcdef >.xenferry-check-$nonce
! has "$(seen --seek $nonce disk)" "trait nonce"
claim "one of other content is not"
has "$(seen --make $nonce disk)" "trait nonce-refused" &&
    [ "$(cat .xenferry-check-$nonce)" = f123456789abcdef0123456789abcdef ]
claim "what is there already is not written to"
seen --remove $nonce disk >/dev/null
[ ! -e .xenferry-check-$nonce ] && ! has "$(seen --remove $nonce disk)" "words .*beside it.*"
claim "it is removed, and one that is gone already is no matter"
echo mine >victim
ln -s victim .xenferry-check-$nonce
has "$(seen --make $nonce disk)" "trait nonce-refused" && [ "$(cat victim)" = mine ] &&
    ! has "$(seen --seek $nonce disk)" "trait nonce"
claim "a link of that name is not followed"
rm .xenferry-check-$nonce
has "$(seen --make ../../../tmp/evil disk)" "trait unknown" && [ ! -e ../../../tmp/evil ]
claim "a nonce that is none makes nothing"

i=0
while [ $i -lt 10 ]; do
    printf '%s' $nonce >.xenferry-check-0000000000000000000000000000000$i
    touch -d '2 hours ago' .xenferry-check-0000000000000000000000000000000$i
    i=$((i + 1))
done
touch .xenferry-check-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
touch -d '2 hours ago' .xenferry-check-note
seen --make $nonce disk >/dev/null
[ "$(find . -name '.xenferry-check-0000*' | wc -l)" -eq 2 ] && [ -e .xenferry-check-note ] &&
    [ -e .xenferry-check-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ] && [ -e .xenferry-check-$nonce ]
claim "of what was left behind eight old ones are swept, and nothing else"
cd /
rm -rf "$work"
