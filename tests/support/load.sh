# shellcheck shell=bash
# Everything that an integration test needs, in the order in which it must be read. Usage:
#   . "$(dirname "$0")/../support/load.sh"

SUPPORT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG DOCKER_CERT_PATH DOCKER_TLS_VERIFY DOCKER_TLS
unset DRAY_CONFIG_DIR DRAYD_STATE_DIR

# shellcheck source=tests/support/engine
. "$SUPPORT/engine"
# shellcheck source=tests/support/cases.sh
. "$SUPPORT/cases.sh"
# shellcheck source=tests/support/sandbox.sh
. "$SUPPORT/sandbox.sh"
# shellcheck source=tests/support/hosts.sh
. "$SUPPORT/hosts.sh"
# shellcheck source=tests/support/images.sh
. "$SUPPORT/images.sh"
# shellcheck source=tests/support/dray.sh
. "$SUPPORT/dray.sh"
# shellcheck source=tests/support/proxy.sh
. "$SUPPORT/proxy.sh"
