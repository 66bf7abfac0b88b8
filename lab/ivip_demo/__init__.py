"""Demos: a topology comes up, real packets move, and everything is measured from them.

    run.py      the command: brings the lab up, goes through the steps, sums up
    script.py   what a demo consists of
    demo.py     what its steps work on
    tools.py    ping, traceroute, curl and iperf3 on nodes, counters, and what they measured
    flood.py    runs on a node: an echo request every so often
    capture.py  packets captured on nodes, all on one clock
    moments.py  when things happened, as captures tell
    traffic.py  traffic that flows while things happen, and what became of each packet
    told.py     Cache Updates, as they arrive at those who asked
    fresh.py    destinations that nobody asked for yet
    report.py   what is printed; JSON and Markdown of the results

Figure 3 (`make demo`):

    fig3.py     the script
    steps.py    the steps on paths: conventional, through the DITR, through the own ITR, and back
    moves.py    the steps on mapping: moving under traffic, splitting, zero, wrong commands, faults

Distributed real time mapping (`make demo-drtm`):

    drtm.py         the script
    drtm_told.py    servers found through DNS, first packets, who is told of changes
    drtm_faults.py  servers killed, DNS silent or changed, alive checks lost
    drtm_forged.py  forged messages
    forger.py       runs on a node: sends them
    drtm_usage.py   a DITR site's usage
"""
