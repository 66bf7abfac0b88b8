// SPDX-License-Identifier: BSD-2-Clause
// A node without roles, for testing what lives in one.
#ifndef IVIP_TESTS_NODE_H
#define IVIP_TESTS_NODE_H

#include "node/node.h"

// Writes `text` to a file in a fresh directory below /tmp; both vanish with test_files_remove.
const char *test_file(const char *text);
void test_files_remove(void);

struct node *test_node(void);
// Runs the loop until *done, failing the test after a generous limit.
void test_run_until(struct node *node, const bool *done);

#endif
