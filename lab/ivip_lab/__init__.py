"""The lab: an Internet in miniature, in network namespaces, from a topology file.

    topology.py        networks, nodes, links, users                      (what was written)
    topology_check.py  what must fit together in them
    topology_file.py   reads the file
    plan.py            addresses, interfaces and routes that follow       (what was derived)
    lab.py             a lab that is up: its nodes and what runs there
    bird.py            BIRD's config for each BGP speaker
    dns.py             signed zones, and the servers of DNS
    ivip_config.py     each Ivip node's config: who asks whom
    ports.py           where they listen
    ivip.py            the Ivip daemons; users and micronets at start
    namespace.py       network namespaces: making, entering, removing
    process.py         processes that were started, remembered on disk so that they can be ended
    up_down.py         up and down
    show.py            what is where
    cli.py             the command
"""
