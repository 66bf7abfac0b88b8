// SPDX-License-Identifier: BSD-2-Clause
// The document's dotted hierarchy: a names file that gives words to prefixes and addresses, so
// that people read "Q.D.H, *P.0, Q.E.I" and not rows of hexadecimal digits.
//
//     # name   what it stands for
//     P        0080:0000:0000:0000/32     a prefix
//     P.D      +1/16                      the number 1, 16 bits wide, right behind its parent P
//     P.D.H    +7/16                      ends at 64 bits: an address
//     M        7f0e:0000:0000:0007        an address, the same as /64
//
// "P.0" is the cluster address of a named prefix (overview §2.1.2); a name of a whole 64-bit
// address needs no ".0". The word "0" can therefore not be given away.
#ifndef SIPP_LIB_NAMES_H
#define SIPP_LIB_NAMES_H

#include "sipp/lib/address.h"

#include <stddef.h>

#define NAME_TEXT_MAX 64    // a dotted name, ".0" and the final NUL
#define NAMES_MAX     10000 // names in one file

struct names; // owns its entries

struct names *names_new(void);
void names_free(struct names *names);
size_t names_count(const struct names *names);

// Adds one name. Refuses names that are taken ("name-taken"), malformed ("bad-name") or one too
// many ("too-many-names").
bool names_add(struct names *names, const char *name, const struct sipp_prefix *prefix,
               struct error *error);
// Adds every line of the text of a names file. The error names the line; what stood before it has
// been added.
bool names_read(struct names *names, const char *text, struct error *error);

// The prefix that a name stands for, or false.
bool names_find(const struct names *names, const char *name, struct sipp_prefix *prefix);
// The i-th name in the order they were added; NULL behind the last.
const char *names_entry(const struct names *names, size_t i, struct sipp_prefix *prefix);

// Reads an address in hexadecimal groups, a name of one, or "NAME.0". `names` may be NULL.
bool names_parse(const struct names *names, const char *text, struct sipp_address *address,
                 struct error *error);
// Reads a prefix written in hexadecimal or as a name.
bool names_parse_prefix(const struct names *names, const char *text, struct sipp_prefix *prefix,
                        struct error *error);
// Writes the address's name where it has one, else its hexadecimal groups; returns `buffer`.
// `names` may be NULL.
const char *names_print(const struct names *names, struct sipp_address address,
                        char buffer[NAME_TEXT_MAX]);

#endif
