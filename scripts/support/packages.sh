# Sourced by scripts/run and scripts/test: installs the Debian packages that are missing, and says which.

# What a Swift build on a bare Debian 12 needs beside the toolchain, and the C libraries that Chaperone links.
build_packages=(
    binutils libc6-dev libgcc-12-dev libstdc++-12-dev libcurl4 libedit2 libncurses6 libxml2 tzdata ca-certificates
    libargon2-dev libsqlite3-dev libssl-dev libxml2-dev zlib1g-dev pkg-config
)

# What the demo uses beside it: its own certificate.
run_packages=(openssl)

# What the tests use beside it: a real browser with its driver, a real nginx, and Python for the tests that stand outside.
test_packages=(
    python3 python3-venv python3-yaml python3-selenium chromium chromium-driver curl fonts-dejavu-core openssl
    nginx-light
)

install_missing() {
    local missing=() name
    for name in "$@"; do
        dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "missing packages: ${missing[*]} (run as root, or install sudo)" >&2; exit 1; }
        as_root=(sudo)
    fi
    echo "Installing system packages: ${missing[*]}"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

require_swift() {
    command -v swift >/dev/null && return 0
    echo "The Swift toolchain is not on PATH. Install Swift 6.3 for Debian 12 and try again." >&2
    exit 1
}

# A certificate authority of this folder's own and a certificate for localhost, made once; the authority's key is thrown
# away. Its certificate, var/tls/ca.pem, is what a client of https://localhost:8443 trusts.
demo_certificate() {
    local folder=$1
    [ ! -s "$folder/server.pem" ] || return 0
    mkdir -p -m 700 "$(dirname "$folder")" "$folder"
    (
        cd "$folder"
        local curve=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
        openssl req -x509 "${curve[@]}" -days 365 -subj "/CN=Chaperone demo CA" -keyout ca.key -out ca.pem 2>/dev/null
        openssl req "${curve[@]}" -subj /CN=localhost -keyout server.key -out server.csr 2>/dev/null
        echo "subjectAltName=DNS:localhost,IP:127.0.0.1" >names
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -extfile names \
            -out server.pem 2>/dev/null
        rm -f ca.key ca.srl server.csr names
        chmod 600 server.key
    )
}

# A virtual environment with the clients from PyPI that the tests drive; it sees Debian's Python packages too. Made anew
# when the pinned versions change.
outside_python() {
    local folder=.build/outside-venv pins=Tests/Outside/requirements.txt
    if ! cmp -s "$pins" "$folder/pins.txt"; then
        rm -rf "$folder"
        # The caller stands in a command line, where `set -e` does not reach into this function.
        /usr/bin/python3 -m venv --system-site-packages "$folder" >&2 || return 1
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$pins" >&2 || return 1
        cp "$pins" "$folder/pins.txt"
    fi
    echo "$folder/bin/python"
}
