"""The lab: an Internet in miniature, in network namespaces, from a topology file.

    topology.py    reads and checks the file                          (what was written)
    plan.py        addresses, interfaces and routes that follow       (what was derived)
    bird.py        BIRD's config for each BGP speaker
    ivip.py        each Ivip node's config and key; users and micronets at start
    namespace.py   network namespaces: making, entering, removing
    process.py     processes that were started, remembered on disk so that they can be ended
    lab.py         up and down
    show.py        what is where
    cli.py         the command
"""
