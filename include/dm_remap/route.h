/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The hot path: is anything redirected near these sectors?
 *
 * One bit per region of main, a region being a power of two of sectors chosen so that the bitmap
 * takes at most 32 KiB. A clear bit promises that every sector of the region, and of the one behind
 * it, is on main and that no state change of them is under way: so what is no longer than a region
 * needs one bit only, wherever it begins. Bits are set by the repair worker before a redirection
 * can be seen, and are cleared only while no I/O is in flight.
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
	dmr_u32 bytes;       /* of a region */
};

/* The region of a sector. That the shift is below 64 is said, or kernels with UBSan check it each time. */
static inline dmr_u64 dmr_region_of(const struct dmr_region_map *map, dmr_u64 sector)
{
	return sector >> (map->shift & 63);
}

/*
 * True if the @bytes bytes (whole sectors) from @sector are no longer than a region, and nothing is
 * redirected near them: all on main. False says nothing: ask dmr_route(). An empty flush bio (sector
 * 0, 0 bytes) is never plain.
 */
static inline int dmr_all_on_main(const struct dmr_region_map *map, dmr_u64 sector, dmr_u32 bytes)
{
	const dmr_u64 region = dmr_region_of(map, sector);

	return bytes - 1 < map->bytes &&
	       !(__atomic_load_n(&map->bits[region / 64], __ATOMIC_RELAXED) >> (region % 64) & 1);
}

/*
 * How many of the @sectors sectors (1 or more) from @sector come before the first that lies in a marked
 * region: these are on main. For what is longer than a region. Any context.
 */
static inline dmr_u32 dmr_clear_from(const struct dmr_region_map *map, dmr_u64 sector,
				     dmr_u32 sectors)
{
	const dmr_u64 last = dmr_region_of(map, sector + sectors - 1);
	dmr_u64 region = dmr_region_of(map, sector);
	dmr_u64 marked;

	while (region <= last) {
		marked = __atomic_load_n(&map->bits[region / 64], __ATOMIC_RELAXED) >> (region % 64);
		if (marked) {
			region += (dmr_u32)__builtin_ctzll(marked);
			break;
		}
		region += 64 - region % 64;
	}
	if (region > last)
		return sectors;
	marked = region << (map->shift & 63);
	return marked <= sector ? 0 : (dmr_u32)(marked - sector);
}

/* dmr_all_on_main() for what is longer than a region; false for all else. Any context. */
static inline int dmr_all_on_main_long(const struct dmr_region_map *map, dmr_u64 sector,
				       dmr_u32 bytes)
{
	const dmr_u32 sectors = bytes / DMR_SECTOR_BYTES;

	return bytes > map->bytes && dmr_clear_from(map, sector, sectors) == sectors;
}

#endif
