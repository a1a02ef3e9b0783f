"""Links, addresses, routes, namespaces and rules, by netlink and iptables."""
