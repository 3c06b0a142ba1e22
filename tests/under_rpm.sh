# shellcheck shell=bash
# For sourcing by packages.sh: the packages for rpm.
#
# They go into the same root before it is booted.  What they need is there, but by other means than rpm's, so that
# dependencies are looked at and not asked for; nor do services start.

: "${root=}" "${lab:?}" "${built_for_rpm:?}"

files_but_rpms() {
    find "$root" -xdev ! -path '*/.rpmdb*' ! -path '*/var/lib/rpm*' ! -path "$root/etc/*-" \
        ! -path "$root/var/cache/*" | sort
}

# by_rpm WHAT ARGUMENT…
by_rpm() {
    local what=$1
    shift
    rpm --root "$root" --nodeps "$@" >"$lab/said" 2>&1 || fail "rpm cannot $what: $(<"$lab/said")"
}

configuration_is() { cmp -s "$1" "$root/etc/knockd.conf" || fail "rpm: $2"; }

is_past() { (($(date +%s) > $1)); }

under_rpm() {
    local requires left since
    files_but_rpms >"$lab/before"
    requires=$(rpm -qp --requires "$built_for_rpm"/knock-1*.rpm)
    [[ $requires == *'seqgen >= 1.0'* && $requires != *pcap* && $requires != *systemd* ]] ||
        fail "rpm: the client requires $requires"
    requires=$(rpm -qp --requires "$built_for_rpm"/knockd-1*.rpm)
    [[ $requires == *'seqgen >= 1.0'* && $requires == *libpcap.so* ]] || fail "rpm: the daemon requires $requires"
    holds "of rpm's packages, too, only the daemon requires libpcap"

    # What a classic package has left behind before.
    configure "sequence = 7000,8000,9000" >"$root/etc/knockd.conf.rpmsave"
    since=$(date +%s)
    eventually 5 is_past "$since"
    by_rpm "install the packages" -U "$built_for_rpm"/*.rpm
    rm "$root/etc/knockd.conf.rpmsave"
    configuration_is packaging/knockd.conf "there is no configuration that opens nothing"
    mode_is /etc/knockd.conf 600:root || fail "rpm: the configuration can be read by others"
    mode_is /etc/knockd 700:root || fail "rpm: pads can be read by others"
    chroot "$root" knockd --check >"$lab/said" 2>&1 || fail "rpm: the configuration is bad: $(<"$lab/said")"
    grep -q '^knockd:' "$root/etc/passwd" || fail "rpm: there is no user"
    holds "rpm installs a daemon that opens nothing"

    configure "sequence = 7000,8000,9000" >"$lab/own.conf"
    cp "$lab/own.conf" "$root/etc/knockd.conf"
    by_rpm "upgrade the packages" -U --replacepkgs "$built_for_rpm"/*.rpm
    configuration_is "$lab/own.conf" "an upgrade has changed the configuration"
    by_rpm "remove the packages" -e knockd knock seqgen
    configuration_is "$lab/own.conf" "a removal has changed the configuration"
    holds "rpm upgrades and removes it, and keeps the configuration"

    rm "$root/etc/knockd.conf"
    by_rpm "install a classic package" -U "$(classic_for_rpm)"
    cp "$lab/own.conf" "$root/etc/knockd.conf"
    by_rpm "replace the classic package" -U "$built_for_rpm"/*.rpm
    not rpm --root "$root" -q knock-server >"$lab/said" || fail "rpm: the classic package is still there"
    configuration_is "$lab/own.conf" "the classic package has taken its configuration along"
    holds "rpm puts it in the classic one's place, and keeps the configuration"

    by_rpm "remove the packages" -e knockd knock seqgen
    # These stay with rpm, which knows no purge.
    rm -r "$root/etc/knockd.conf" "$root/etc/knockd"
    chroot "$root" userdel knockd
    # So do directories: the packages own none.
    files_but_rpms | comm -13 "$lab/before" - | sort -r | xargs rmdir 2>"$lab/said" || true
    left=$(files_but_rpms | diff "$lab/before" - || true)
    [[ -z $left ]] || fail "rpm leaves behind: $left"
    holds "rpm leaves nothing else behind"
    rm -rf "$root/root/.rpmdb" "$root/var/lib/rpm"
}

# What the classic daemon is called there, as far as it matters: its package is not to be had here.
classic_for_rpm() {
    cat >"$lab/classic.spec" <<'END'
Name: knock-server
Version: 0.8
Release: 1
Summary: Stands for the classic daemon
License: none
BuildArch: noarch
%description
%install
mkdir -p %{buildroot}/etc
echo shipped >%{buildroot}/etc/knockd.conf
%files
%config(noreplace) /etc/knockd.conf
END
    rpmbuild --quiet --define "_topdir $lab/rpm" -bb "$lab/classic.spec" >&2
    echo "$lab"/rpm/RPMS/noarch/*.rpm
}
