// SPDX-License-Identifier: BSD-2-Clause
// What every unit test includes first: cmocka wants these headers before its own.
#ifndef IVIP_TESTS_CHECK_H
#define IVIP_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
