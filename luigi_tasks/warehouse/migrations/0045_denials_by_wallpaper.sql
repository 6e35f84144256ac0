-- The answers of 404 and 401 of some wallpapers, as the models that are asked about these look for them.
create index pages_denials on ops.pages (substr(page_name, 3))
where source = 'wallhaven' and entity = 'wallpaper' and status in (401, 404);
