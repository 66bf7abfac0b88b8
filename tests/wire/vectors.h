// SPDX-License-Identifier: BSD-2-Clause
// Reads the test vectors in tests/vectors: blocks of "key: value" lines, separated by empty lines,
// each ending with the octets in hexadecimal.
#ifndef IVIP_TESTS_WIRE_VECTORS_H
#define IVIP_TESTS_WIRE_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define VECTOR_TEXT_MAX  4096
#define VECTOR_BYTES_MAX 2048

struct vector {
    char name[128];
    char meaning[VECTOR_TEXT_MAX]; // all lines between name and hex, each with its newline
    uint8_t bytes[VECTOR_BYTES_MAX];
    size_t length;
};

// Text in the form of a meaning.
struct text {
    char bytes[VECTOR_TEXT_MAX];
    size_t used;
};

// Adds to it.
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Opens a file of tests/vectors; fails the test where it cannot.
FILE *vectors_open(const char *name);
// Reads the next block that has octets; false at the end of the file.
bool vectors_next(FILE *file, struct vector *vector);
// Every good message of a file, cut at every place, must be refused and never read past its end
// (AddressSanitizer watches); `decodes` says whether octets are taken for a message. It must also
// live through those that are cut and say so in the length of their header.
void vectors_cut_anywhere(const char *name, bool (*decodes)(const uint8_t *bytes, size_t length));
// The octets of hexadecimal text; fails the test where it is something else.
size_t vectors_hex(const char *text, uint8_t *bytes, size_t size);

#endif
