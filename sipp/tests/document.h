// SPDX-License-Identifier: BSD-2-Clause
// The names that the document's examples use (overview §5), as a names file.
#ifndef SIPP_TESTS_DOCUMENT_H
#define SIPP_TESTS_DOCUMENT_H

// Simple addresses: domain D is subscriber 1 of P and 2 of Q, domain E is 1 of Q and 3 of R.
#define DOCUMENT_SIMPLE                                                                            \
    "P      0080:0000:0000:0000/32\n"                                                              \
    "Q      0040:0000:0000:0000/32\n"                                                              \
    "R      00c0:0000:0000:0000/32\n"                                                              \
    "P.D    +1/16\n"                                                                               \
    "Q.D    +2/16\n"                                                                               \
    "Q.E    +1/16\n"                                                                               \
    "R.E    +3/16\n"                                                                               \
    "P.D.H  +7/16\n"                                                                               \
    "Q.D.H  +7/16\n"                                                                               \
    "Q.E.I  +9/16\n"                                                                               \
    "R.E.I  +9/16\n"

// Extended addresses: the high-order 64 bits end with the domain, the low-order ones hold subnet
// and host.
#define DOCUMENT_EXTENDED                                                                          \
    "P.D  0080:0000:0000:0001/64\n"                                                                \
    "Q.D  0040:0000:0000:0002/64\n"                                                                \
    "Q.E  0040:0000:0000:0001/64\n"                                                                \
    "R.E  00c0:0000:0000:0003/64\n"                                                                \
    "S.H  2000:000d:0001:0007\n"                                                                   \
    "S.I  2000:000e:0001:0009\n"                                                                   \
    "D.d  2000:000d:0002:0001\n"                                                                   \
    "M    7f0e:0000:0000:0777\n"

#endif
