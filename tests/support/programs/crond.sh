#!/bin/sh
# crond.sh CRONTAB DIRECTORY: run cron as it comes with Debian, on this crontab of root's alone, in namespaces of its
# own: the machine's own jobs are not seen and not touched. Mail lands in DIRECTORY/mail, a file each.
set -eu
crontab=$1
directory=$2
mkdir -p "$directory/mail" "$directory/sbin"
mount -t tmpfs tmpfs "$directory/sbin"
mkdir "$directory/sbin/upper" "$directory/sbin/work"
mount -t overlay overlay -o "lowerdir=/usr/sbin,upperdir=$directory/sbin/upper,workdir=$directory/sbin/work" /usr/sbin
printf '#!/bin/sh\ncat > "%s/mail/$$.part" && mv "%s/mail/$$.part" "%s/mail/$$.txt"\n' \
    "$directory" "$directory" "$directory" > /usr/sbin/sendmail
chmod 755 /usr/sbin/sendmail
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/cron.d
mount --bind /dev/null /etc/crontab
mount -t tmpfs tmpfs /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs
install -m 600 "$crontab" /var/spool/cron/crontabs/root
exec /usr/sbin/cron -f -L 0
