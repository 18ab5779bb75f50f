/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All that is known about the differences between kernels. What a kernel has is asked of its headers,
 * not of its version number, because distributions port changes back. Macros say it themselves; for
 * the rest Kbuild compiles each file of probes/ and puts the result into DMR_HAVE_<NAME>, 0 or 1.
 *
 * Tested with 6.1, 6.12 and 7.3. Any context, no locks.
 */
#ifndef DMR_COMPAT_H
#define DMR_COMPAT_H

#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/device-mapper.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/numa.h>
#include <linux/sysfs.h>

#include "probed/bdev_file.h"
#include "probed/bi_offset.h"
#include "probed/const_bin_attribute.h"
#include "probed/disk_limits.h"
#include "probed/dm_devt_from_path.h"

#if BITS_PER_LONG != 64
#error "a bio's record takes the 64 bits of bi_private"
#endif

/* 6.5 gave block devices an open mode of their own type. */
#ifdef BLK_OPEN_WRITE
#define DMR_MODE_WRITE BLK_OPEN_WRITE
#else
#define DMR_MODE_WRITE FMODE_WRITE
#endif

/* 6.8 renamed the status of a reservation conflict. */
#ifdef BLK_STS_RESV_CONFLICT
#define DMR_BLK_STS_RESV_CONFLICT BLK_STS_RESV_CONFLICT
#else
#define DMR_BLK_STS_RESV_CONFLICT BLK_STS_NEXUS
#endif

/* The member of struct bvec_iter with the offset, in bytes, in the segment bi_idx. */
#if DMR_HAVE_BI_OFFSET
#define dmr_bi_offset bi_offset
#else
#define dmr_bi_offset bi_bvec_done
#endif

/* A table line's word for a device, path or major:minor, to its number; 0 if there is none. */
static inline dev_t dmr_dev_from_word(const char *word)
{
#if DMR_HAVE_DM_DEVT_FROM_PATH
	dev_t dev;

	return dm_devt_from_path(word, &dev) ? 0 : dev;
#else
	return dm_get_dev_t(word);
#endif
}

/* An open block device: read-only, claimed by nobody. Task context; opening and closing may sleep. */
#if DMR_HAVE_BDEV_FILE
typedef struct file *dmr_bdev_handle; /* or ERR_PTR */
static inline dmr_bdev_handle dmr_bdev_open(dev_t dev)
{
	return bdev_file_open_by_dev(dev, BLK_OPEN_READ, NULL, NULL);
}
static inline struct block_device *dmr_bdev_of(dmr_bdev_handle handle)
{
	return file_bdev(handle);
}
/* Closed when it returns: a work item's fput() would leave that to another one. Kernel threads only. */
static inline void dmr_bdev_close(dmr_bdev_handle handle)
{
	__fput_sync(handle);
}
#else
typedef struct block_device *dmr_bdev_handle;
static inline dmr_bdev_handle dmr_bdev_open(dev_t dev)
{
	return blkdev_get_by_dev(dev, FMODE_READ, NULL);
}
static inline struct block_device *dmr_bdev_of(dmr_bdev_handle handle)
{
	return handle;
}
static inline void dmr_bdev_close(dmr_bdev_handle handle)
{
	blkdev_put(handle, FMODE_READ);
}
#endif

/* A disk that is not added; NULL or ERR_PTR if there is no memory. */
#if DMR_HAVE_DISK_LIMITS
#define dmr_alloc_disk() blk_alloc_disk(NULL, NUMA_NO_NODE)
#else
#define dmr_alloc_disk() blk_alloc_disk(NUMA_NO_NODE)
#endif

#if DMR_HAVE_CONST_BIN_ATTRIBUTE
#define DMR_BIN_CONST const
#else
#define DMR_BIN_CONST
#endif

/*
 * Whether the I/O of @q's disk is counted. Disks without a request queue, device-mapper's among them,
 * counted it whatever the flag says, and did not set the flag, until 6.11.
 */
static inline bool dmr_io_is_counted(struct request_queue *q)
{
#ifndef BLK_FEAT_IO_STAT
	if (!queue_is_mq(q))
		return true;
#endif
	return blk_queue_io_stat(q);
}

#endif
