// SPDX-License-Identifier: GPL-2.0
/*
 * The module: the registration of the target.
 */
#include <linux/module.h>

#include "discovery.h"
#include "events.h"
#include "sysfs.h"
#include "target.h"

static int __init dmr_module_init(void)
{
	int r;

	r = dmr_events_module_init();
	if (r)
		return r;
	r = dmr_discovery_module_init();
	if (r)
		goto exit_events;
	r = dmr_sysfs_module_init();
	if (r)
		goto exit_discovery;
	r = dm_register_target(&dmr_target_type);
	if (r)
		goto exit_sysfs;
	return 0;

exit_sysfs:
	dmr_sysfs_module_exit();
exit_discovery:
	dmr_discovery_module_exit();
exit_events:
	dmr_events_module_exit();
	return r;
}

static void __exit dmr_module_exit(void)
{
	dm_unregister_target(&dmr_target_type);
	dmr_sysfs_module_exit();
	dmr_discovery_module_exit();
	dmr_events_module_exit();
}

module_init(dmr_module_init);
module_exit(dmr_module_exit);

MODULE_DESCRIPTION("device-mapper target that redirects failing sectors to a spare device");
MODULE_AUTHOR("The dm-remap authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("4.0.0");
MODULE_ALIAS("dm-remap");
