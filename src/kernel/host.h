/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the core calls the host: the two devices, the count of I/O in flight, the events.
 *
 * One for each pair, embedded in it. host.c implements include/dm_remap/host.h with it. Blocking
 * I/O is for the engine's owner only (constructor, preresume, worker: one at a time), because
 * there is one bio, made beforehand: repairs must not need memory.
 */
#ifndef DMR_HOST_H
#define DMR_HOST_H

#include <linux/blk_types.h>
#include <linux/cache.h>
#include <linux/mutex.h>

#include "dm_remap/host.h"
#include "events.h"
#include "inflight.h"

/* Blocking I/O goes out in bios of at most this, 256 KiB. A buffer may begin within a page. */
#define DMR_HOST_CHUNK_SECTORS 512u
#define DMR_HOST_CHUNK_PAGES ((DMR_HOST_CHUNK_SECTORS * DMR_SECTOR_BYTES / PAGE_SIZE) + 1)

struct dmr_host {
	struct dmr_inflight inflight; /* on the hot path, hence first */

	struct block_device *bdev[2] ____cacheline_aligned_in_smp; /* by enum dmr_device */
	struct mutex drain_lock; /* drains don't overlap */
	struct dmr_events events;
	struct bio bio; /* the owner's */
	struct bio_vec vecs[DMR_HOST_CHUNK_PAGES];
};

int dmr_host_init(struct dmr_host *host, struct block_device *main, struct block_device *spare,
		  const char *name);
/* Nothing may be in flight any more. */
void dmr_host_exit(struct dmr_host *host);

/* How a device answered, in the core's words. Any context. */
enum dmr_sts dmr_sts_of(blk_status_t status);

#endif
