#!/usr/bin/env bash
# Gets a RabbitMQ of a later version than the system's, without Docker: `get-rabbitmq.sh [4.3|4.0]`. Prints its folder, for
# TEST_RABBITMQ_HOME. What was got before is kept. It needs a Linux with apt; nothing of the system is changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

fail() { echo "RabbitMQ $version cannot be had: $*" >&2; exit 1; }

version="${1:-4.3}"
case "$version" in
  4.3) suite=forky ;;
  4.0) suite=trixie ;;
  *) fail "there are 4.0 and 4.3" ;;
esac

# The programs are told where they are, so the folder must stay where it is.
home="$PWD/node_modules/.cache/rabbitmq-$version"
if [ -d "$home" ]; then echo "$home"; exit; fi

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
command -v apt-get >/dev/null || fail "this system has no apt-get"
[ -e "$keyring" ] || fail "the package debian-archive-keyring is not installed"

mkdir -p "${home%/*}"
new="$(mktemp -d "$home.XXXXXX")"
apt="$(mktemp -d)"
trap 'rm -rf "$new" "$apt"' EXIT

# An apt of its own, which knows Debian's suite alone and thinks that nothing is installed.
mkdir -p "$apt"/{lists/partial,cache/archives/partial,packages}
: >"$apt/status"
mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/\?$' || true)"
echo "deb [signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} $suite main" >"$apt/sources.list"
cat >"$apt/apt.conf" <<CONFIG
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
CONFIG
export APT_CONFIG="$apt/apt.conf"
log="$apt/log"
quietly() { "$@" >>"$log" 2>&1 || fail "$(tail -n 1 "$log")"; }

erlang=(asn1 base crypto eldap eunit inets mnesia os-mon parsetools public-key runtime-tools ssl syntax-tools tools xmerl)
system=(libc6 libcap2 libgcc-s1 libsctp1 libssl3t64 libstdc++6 libsystemd0 libtinfo6 libzstd1 zlib1g)
quietly apt-get -qq update
cd "$apt/packages"
quietly apt-get -qq download rabbitmq-server patchelf "${erlang[@]/#/erlang-}" "${system[@]}"
for package in *.deb; do quietly dpkg -x "$package" "$new"; done
cd "$new"

server=(usr/lib/rabbitmq/lib/rabbitmq_server-*)
[[ "${server[0]}" == *-"$version".* ]] || fail "Debian's $suite has ${server[0]##*-}"

# Its programs run on the C library that came along, because the system's may be older.
loader=(usr/lib/*-linux-gnu/ld-linux-*.so.*)
libraries="${loader[0]%/*}"
patch=("./${loader[0]}" --library-path "$libraries" usr/bin/patchelf)
patch+=(--set-interpreter "$home/${loader[0]}" --force-rpath --set-rpath "$home/$libraries")
for program in usr/lib/erlang/{bin,erts-*/bin,lib/*/priv/bin}/*; do
  if [ ! -L "$program" ] && head -c 4 "$program" 2>/dev/null | grep -q ELF; then quietly "${patch[@]}" "$program"; fi
done
sed -i "s|=/usr/lib/erlang$|=$home/usr/lib/erlang|" usr/lib/erlang/{,erts-*/}bin/{erl,start}
rm -rf usr/share/{doc,locale,man}
chmod 755 .

# Another run may have been first.
mv -T "$new" "$home" 2>/dev/null || [ -d "$home" ]
echo "$home"
