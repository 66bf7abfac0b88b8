// SPDX-License-Identifier: BSD-2-Clause
// The clock of the daemon, which fuzzers replace by their own.
#include "sipp/daemon/sippd.h"

struct instant sippd_now(void)
{
    return (struct instant){uv_hrtime()};
}
