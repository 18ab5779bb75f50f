/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All that is known about the differences between kernel versions.
 *
 * Supported: 6.1 to 6.12. Any context, no locks.
 */
#ifndef DMR_COMPAT_H
#define DMR_COMPAT_H

#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/version.h>

#if BITS_PER_LONG != 64
#error "a bio's record takes the 64 bits of bi_private"
#endif

/* 6.5 gave block devices an open mode of their own type. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
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

/* A table line's word for a device, path or major:minor, to its number; 0 if there is none. */
static inline dev_t dmr_dev_from_word(const char *word)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	dev_t dev;

	return dm_devt_from_path(word, &dev) ? 0 : dev;
#else
	return dm_get_dev_t(word);
#endif
}

#endif
