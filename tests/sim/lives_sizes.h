/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Read before each file of the core that is built for the search over whole lives: a spare may be as
 * small as one slot, so that the table is one block. Nothing else of the core is changed.
 */
#include "dm_remap/types.h"

#undef DMR_SPARE_MIN_SECTORS
#define DMR_SPARE_MIN_SECTORS (DMR_METADATA_SECTORS + DMR_BLOCK_SECTORS)
