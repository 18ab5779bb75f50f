// SPDX-License-Identifier: GPL-2.0
/* 6.9 made an open block device a file. */
#include <linux/blkdev.h>

#ifdef DMR_PROBE
static struct file *(*const dmr_probe)(dev_t, blk_mode_t, void *,
				       const struct blk_holder_ops *) __used = bdev_file_open_by_dev;
#endif
