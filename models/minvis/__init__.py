"""MinVIS, and what extends it: DVIS++'s tracker and TAR's routers."""
