"""MaXTron-VIS and MaXTron-VPS."""
