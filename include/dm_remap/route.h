/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The hot path: is anything redirected near these sectors?
 *
 * One bit per region of main, a region being a power of two of sectors chosen so that the bitmap
 * takes at most 32 KiB. A clear bit promises that every sector of the region is on main and that
 * no state change of it is under way. Bits are set by the repair worker before a redirection can
 * be seen, and are cleared only while no I/O is in flight.
 *
 * Any context, no lock, no write to shared memory. Inline, because it is on the path of every bio
 * of a healthy disk; everything else is one call away (dmr_route).
 */
#ifndef DM_REMAP_ROUTE_H
#define DM_REMAP_ROUTE_H

#include "dm_remap/types.h"

struct dmr_region_map {
	const dmr_u64 *bits; /* in the engine's arena */
	dmr_u32 shift;       /* log2 of a region's sectors */
};

/*
 * True if the @sectors sectors from @sector lie in one region with nothing redirected: all on main.
 * False says nothing: ask dmr_route(). An empty flush bio (sector 0, 0 sectors) is never plain.
 */
static inline int dmr_all_on_main(const struct dmr_region_map *map, dmr_u64 sector, dmr_u32 sectors)
{
	const dmr_u64 region = sector >> map->shift;

	return region == (sector + sectors - 1) >> map->shift &&
	       !(__atomic_load_n(&map->bits[region / 64], __ATOMIC_RELAXED) >> (region % 64) & 1);
}

#endif
