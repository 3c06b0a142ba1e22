# shellcheck shell=bash
# For sourcing by packages.sh: the packages in the place of Debian's own knockd 0.8.

: "${root=}" "${lab:?}" "${built:?}" "${address:?}" "${ours=}"

# install_classic MODE: Debian's knockd 0.8 with a configuration of the administrator's own, running.
install_classic() {
    dpkg_on_server --install /srv/classic.deb || broken "knockd 0.8 is installed"
    configure "sequence = 7000,8000,9000" >"$root/etc/knockd.conf"
    chmod "$1" "$root/etc/knockd.conf"
    printf 'START_KNOCKD=1\nKNOCKD_OPTS="-i eth0"\n' >"$root/etc/default/knockd"
    cp "$root/etc/knockd.conf" "$lab/own.conf"
    cp "$root/etc/default/knockd" "$lab/own.default"
    on_server systemctl daemon-reload
    on_server systemctl enable --now --quiet knockd || broken "knockd 0.8 runs"
    # It may be asked too early: it says nothing when it listens.
    eventually 10 classic_opens || broken "knockd 0.8 opens"
    on_server nft flush set inet knock friends
    holds "knockd 0.8 runs with a configuration of its own"
}

classic_opens() {
    knock "$address" 7000 8000 9000
    eventually 5 in_set
}

unchanged() {
    cmp -s "$lab/own.conf" "$root/etc/knockd.conf" || broken "/etc/knockd.conf is kept"
    cmp -s "$lab/own.default" "$root/etc/default/knockd" || broken "/etc/default/knockd is kept"
    holds "/etc/knockd.conf and /etc/default/knockd are kept"
}

over_the_classic() {
    install_classic 644
    classic_opens || broken "knockd 0.8 opens once more"
    on_server apt-get -qq -y -o DPkg::options::=--force-unsafe-io install "${ours[@]}" \
        </dev/null >"$lab/said" 2>&1 || broken "apt puts the packages in its place, and asks nothing"
    holds "apt puts the packages in its place, and asks nothing"
    unchanged
    expect "ours runs" started_from /usr/sbin/knockd
    not on_server journalctl --quiet --unit knockd --grep 'status=10/USR1' >"$lab/said" ||
        broken "knockd 0.8 was told to stop"
    holds "knockd 0.8 was told to stop"
    expect "and knows the configuration" unit_is StatusText "1 door on eth0"
    expect "it is enabled, as the classic one was" unit_is UnitFileState enabled
    expect "the client has its own package" is "$(on_server dpkg-query -S /usr/bin/knock)" "knock: /usr/bin/knock"
    in_set || broken "a door of knockd 0.8 stays open, since nobody knows of it any more"
    holds "a door of knockd 0.8 stays open, since nobody knows of it any more"
    on_server nft flush set inet knock friends
    knock "$address" 7000 8000 9000
    expect "a knock opens" in_set
    on_server apt-get -qq -y --no-download upgrade </dev/null >"$lab/said" 2>&1 || broken "apt is content"
    expect "apt does not bring the classic one back" is "$(field Version knockd)" \
        "$(dpkg-deb --field "$built"/knockd_*.deb Version)"
    purged "the packages that replaced it"
}

# As most have it who have never written a configuration: there is nothing to start for them.
over_a_classic_that_is_off() {
    dpkg_on_server --install /srv/classic.deb || broken "knockd 0.8 is installed"
    cp "$root/etc/knockd.conf" "$lab/own.conf"
    cp "$root/etc/default/knockd" "$lab/own.default"
    on_server systemctl daemon-reload
    dpkg_on_server --auto-deconfigure --install "${ours[@]}" || broken "the packages replace one that is off"
    unchanged
    unit_is UnitFileState disabled || broken "it stays off"
    unit_is ActiveState inactive || broken "it stays off"
    holds "it stays off"
    purged "the packages that replaced one that is off"
}

# Ours refuses a configuration that others can change; whoever is away from the console must not be locked out by that.
over_a_classic_that_must_go_on() {
    install_classic 666
    local pid
    pid=$(main_pid)
    dpkg_on_server --auto-deconfigure --install "${ours[@]}" || broken "it is installed all the same"
    [[ $(main_pid) == "$pid" ]] || broken "the daemon that ran goes on where the new one would not start"
    holds "the daemon that ran goes on where the new one would not start"
    grep -q 'chmod go-w /etc/knockd.conf' "$lab/said" || broken "what is to be done is said"
    holds "what is to be done is said"
    knock "$address" 7000 8000 9000
    expect "knocks still open" in_set
    on_server nft flush set inet knock friends
    unchanged
    on_server chmod go-w /etc/knockd.conf
    on_server systemctl restart knockd || broken "ours starts when it is mended"
    expect "ours starts when it is mended" unit_is StatusText "1 door on eth0"
    purged "the packages that came late"
}
