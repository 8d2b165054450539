# shellcheck shell=bash
# Authorities and certificates for engines that speak TLS, as the files that Docker looks for. Good for
# a day. Needs openssl.

# certificates_authority DIR: DIR/ca.pem and DIR/ca.key.
certificates_authority() {
	mkdir -p "$1"
	openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj "/CN=authority of ${1##*/}" \
		-keyout "$1/ca.key" -out "$1/ca.pem" 2>/dev/null
}

# certificates_make AUTHORITY DIR NAMES USE: DIR with ca.pem, cert.pem and key.pem. NAMES as in
# subjectAltName ("" for none), USE is serverAuth or clientAuth.
certificates_make() {
	local authority=$1 dir=$2 names=$3 use=$4
	mkdir -p "$dir"
	openssl req -newkey rsa:2048 -nodes -subj "/CN=${dir##*/}" -keyout "$dir/key.pem" \
		-out "$dir/request" 2>/dev/null
	{
		echo "extendedKeyUsage = $use"
		[ -z "$names" ] || echo "subjectAltName = $names"
	} >"$dir/extensions"
	openssl x509 -req -days 1 -in "$dir/request" -extfile "$dir/extensions" -CA "$authority/ca.pem" \
		-CAkey "$authority/ca.key" -CAcreateserial -out "$dir/cert.pem" 2>/dev/null
	rm "$dir/request" "$dir/extensions"
	cp "$authority/ca.pem" "$dir/ca.pem"
}
