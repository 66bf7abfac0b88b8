"""The demo: figure 3 comes up, real packets move, and everything is measured from them.

    run.py      the command: brings the lab up, goes through the steps, sums up
    steps.py    the steps on paths: conventional, through the DITR, through the own ITR, and back
    moves.py    the steps on mapping: moving under traffic, splitting, zero, wrong commands, faults
    tools.py    ping, traceroute, curl and iperf3 on nodes, and what they measured
    capture.py  packets captured on nodes, all on one clock
    report.py   what is printed; JSON and Markdown of the results
"""
