// SPDX-License-Identifier: BSD-2-Clause
// What must hold between the keys of a config.
#ifndef IVIP_NODE_CONFIG_CONFIG_CHECK_H
#define IVIP_NODE_CONFIG_CONFIG_CHECK_H

#include "node/config/config_read.h"

// `reader` is that of the config's file, for the places in errors.
bool config_check(struct config_reader *reader, const struct config *config);

#endif
