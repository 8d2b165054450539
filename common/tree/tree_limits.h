/* What a tree may be: for those that are read and those that come from a peer. */
#pragma once

#define TREE_NAME_MAX 255u  /* bytes of one name */
#define TREE_PATH_MAX 4095u /* bytes of a path below the root, and of a symbolic link's target */
#define TREE_DEPTH_MAX 256u /* directories below each other; each one holds a descriptor */

/* Names of all directories that are open at a time (one below the other). */
#define TREE_NAMES_MAX (2u << 20)	/* names */
#define TREE_NAME_BYTES_MAX (48u << 20) /* their bytes, terminators included */

/* Of one file: */
#define TREE_XATTRS_MAX 256u		  /* extended attributes */
#define TREE_XATTR_BYTES_MAX (512u << 10) /* bytes of their names and values together */
#define TREE_EXTENTS_MAX 32768u /* runs of data in a sparse file; further holes are zeros */

/* Files that are known to have several names, remembered until all were seen. Further ones travel
 * as files of their own, with a note. */
#define TREE_LINKS_MAX 131072u
#define TREE_LINK_BYTES_MAX (16u << 20) /* bytes of their paths */

#define TREE_PAX_MAX (1u << 20)	 /* bytes of one extended header */
#define TREE_TAIL_MAX (1u << 20) /* zeros behind the end of a tar */
