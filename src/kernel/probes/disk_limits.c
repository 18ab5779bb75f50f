// SPDX-License-Identifier: GPL-2.0
/* 6.9 gave a new disk its limits at once. */
#include <linux/blkdev.h>

#ifdef DMR_PROBE
static struct gendisk *(*const dmr_probe)(struct queue_limits *, int,
					  struct lock_class_key *) __used = __blk_alloc_disk;
#endif
