-- SPDX-License-Identifier: MIT
-- Puts names into a small database that would play with a page, a shell, gnuplot or LaTeX.
UPDATE cell SET name = '<script>document.title="PWNED"</script>' WHERE cell_id = 1;
UPDATE cell SET name = '"><img src=x onerror=document.title="PWNED"> `touch PWNED` ''' WHERE cell_id = 2;
UPDATE cell SET name = char(8238) || 'desrever' || char(8237) || ' $HOME \input{x} %d & # _ ~ ^'
WHERE cell_id = 3;
UPDATE cell SET name = replace(printf('%10000s', ''), ' ', 'x') WHERE cell_id = 4;
UPDATE cell SET source = '</title><script>document.title="PWNED"</script>',
    text = text || '# <script>document.title="PWNED"</script>' || char(10);
UPDATE study SET name = '</script><!--<script>' || char(8232) || '''"`&', script = script || '--</script><script>document.title="PWNED"</script>',
    script_path = 'javascript:alert(1)';
UPDATE task SET name = '{{constructor}}' || char(27) || '[2J' || char(10) || 'x';
UPDATE run SET command = command || ' </code><script>document.title="PWNED"</script>';
UPDATE machine SET host = '"><svg onload=document.title="PWNED">';
