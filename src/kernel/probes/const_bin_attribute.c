// SPDX-License-Identifier: GPL-2.0
/* 6.14 to 6.17 made binary files of sysfs constant. */
#include <linux/sysfs.h>

#ifdef DMR_PROBE
static const struct bin_attribute *const dmr_probe[1];
static const struct attribute_group dmr_probe_group __used = { .bin_attrs = dmr_probe };
#endif
